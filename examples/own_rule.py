"""A dispatching rule of one's own: much work left in the job counts for it, a long next operation and waiting against.

python evaluate.py run --instances job_shop:ta01..ta10 --methods rule-file:examples/own_rule.py,rule:mwkr,rule:spt_twkr
"""

families = ("job_shop",)
WORK, DURATION, START_IN = 2, 1, 6  # columns of the token of a job, listed on the page of the job shop


def score(obs):
    """Return a score (A,) for each job; the greatest legal one is played."""
    job = obs["job"]
    return job[:, WORK] - 2 * job[:, DURATION] - job[:, START_IN]
