"""A model as a product of AWS Marketplace: `python -m deploy marketplace --help`.

- `seller`: the seller's file, `models/NAME/marketplace/seller.toml`; `request`: what CreateModelPackage is asked;
- `service_model` and `rules`: what is wrong with such a request, ours or anybody's; `checking`: both together; `parts`:
  what a request has, whatever its shape;
- `image`: does it run on what is sold, and was it scanned; `policies`: who may do what;
- `package`: the request sent, and its validation waited for;
- `listing`, `notebook` and `exchanges`: the material that buyers see; `answering` and `container`: is it true?
"""
