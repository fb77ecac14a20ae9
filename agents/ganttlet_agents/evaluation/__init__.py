"""Methods judged by one set of rules: suites, runner, result rows, statistics, tables and the HTML report."""
