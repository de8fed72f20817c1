"""What an environment must offer, and the experience that policies make in it."""
