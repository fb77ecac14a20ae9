"""A JAX function as a program of ganttlet/MemoryMapping-v0: lowered, imported, counted as XLA counts it, and played."""

import gymnasium
import jax
import numpy as np

from ganttlet_agents.programs import from_hlo, hlo_text

ENV_ID = "ganttlet:ganttlet/MemoryMapping-v0"
LAYERS, BATCH, WIDTH = 4, 32, 1024


def layers(x, weights):
    """A chain of products and no other arithmetic, so that XLA's count is of the matrix unit alone."""
    for weight in weights:
        x = x @ weight
    return x


def main() -> None:
    x = jax.ShapeDtypeStruct((BATCH, WIDTH), "float32")
    weights = [jax.ShapeDtypeStruct((WIDTH, WIDTH), "float32")] * LAYERS
    tables = from_hlo(hlo_text(layers, x, weights), name="layers", weights=range(1, LAYERS + 1))
    counted = jax.jit(layers).lower(x, weights).compile().cost_analysis()["flops"]
    assert tables.matrix_flops == counted == 2 * BATCH * WIDTH**2 * LAYERS, (tables.matrix_flops, counted)
    assert sum(row.size for row in tables.buffers if row.kind == "param") == 2 * LAYERS * WIDTH**2
    env = gymnasium.make(ENV_ID, instance=tables.program("tight"))
    _, info = env.reset(seed=0)
    done, total = False, 0.0
    while not done:
        _, reward, done, _, info = env.step(int(np.argmax(info["action_mask"])))
        total += reward
    print(f"JAX {jax.__version__}: {len(tables.instructions)} instructions, return {total:.3f}")


if __name__ == "__main__":
    main()
