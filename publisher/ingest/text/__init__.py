"""A page that was scraped as text: taken apart line by line into a Submission."""
