// placeholder until the sources stand
