"""What people look at: pictures with matplotlib, and the progress bar."""
