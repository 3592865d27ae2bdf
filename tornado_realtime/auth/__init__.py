"""Who is this? Asked once, before the handshake. May they? Asked for each channel."""

from tornado_realtime.auth.authorize import Authorizer, RuleAuthorizer
from tornado_realtime.auth.authorize_function import Authorize, FunctionAuthorizer
from tornado_realtime.auth.base import Authenticator
from tornado_realtime.auth.claims import TokenRule
from tornado_realtime.auth.endpoint import EndpointAuthenticator, peer_of
from tornado_realtime.auth.function import Authenticate, FunctionAuthenticator
from tornado_realtime.auth.jwt import TokenReader
from tornado_realtime.auth.login import Login
from tornado_realtime.auth.user import ANONYMOUS, User, user_from_answer

__all__ = [
    "ANONYMOUS",
    "Authenticate",
    "Authenticator",
    "Authorize",
    "Authorizer",
    "EndpointAuthenticator",
    "FunctionAuthenticator",
    "FunctionAuthorizer",
    "Login",
    "RuleAuthorizer",
    "TokenReader",
    "TokenRule",
    "User",
    "peer_of",
    "user_from_answer",
]
