"""Three tasks that are won by numbers: mitigate, detect, break; with what simple methods reach."""
