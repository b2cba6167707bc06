"""A headless commerce server: one async GraphQL API, exact under concurrency, live."""
