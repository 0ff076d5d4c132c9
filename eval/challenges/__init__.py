"""Three tasks with numerical scores, mitigate, detect and break, and simple baselines for each."""
