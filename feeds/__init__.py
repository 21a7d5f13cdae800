"""What readers subscribe to.

- made by workers, once a revision: `refresh` (the stage), `entries`, `feedgen_fixes/`, `json_feed`,
  `search/index` and `search/words`
- made where it is served: `catalog` and `address` (where), `standing` (how far), `content` and `documents`
  (what), `search/` (what a search finds), `serving/` (kept while it is good), `http` (the routes)
- directories of it: `directory`, `opml`, `sitemap_content`, `sitemaps`, `directories_http`
- pages for people: `pages`, `words`, `alphabet`, `templates/`
"""
