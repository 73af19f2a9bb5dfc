"""What is learnt: encoders, teacher, student, losses, training, metrics."""
