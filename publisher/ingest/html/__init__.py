"""A page in HTML: the article found among menus, related lists and comments, as a Submission."""
