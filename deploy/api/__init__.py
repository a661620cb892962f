"""
An endpoint on the web: Lambda behind an HTTP API, and a page that calls it.

`settings` is what `deploy/apis/NAME.toml` can say, `template` makes a CloudFormation stack of it, `deploying` plans,
applies and removes that, `page` writes the page with the API's address. `handler` runs in Lambda; `web/` is the page.
"""
