"""Jobs on serverless functions: the handlers that run there, and what submits to them.

Nothing here is loaded by ``import weft``. What talks to AWS needs boto3, which comes with ``pip install weft[aws]``.
`docs/aws.md` shows how the parts fit together.
"""
