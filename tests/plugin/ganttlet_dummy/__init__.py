"""One machine, a few jobs, least sum of completion times: the smallest plug-in of ganttlet."""
