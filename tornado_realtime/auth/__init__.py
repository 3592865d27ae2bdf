"""Who is this? Asked once, before the handshake."""

from tornado_realtime.auth.base import Authenticator
from tornado_realtime.auth.endpoint import EndpointAuthenticator, peer_of
from tornado_realtime.auth.function import Authenticate, FunctionAuthenticator
from tornado_realtime.auth.jwt import TokenReader, TokenRule
from tornado_realtime.auth.login import Login
from tornado_realtime.auth.user import User, user_from_answer

__all__ = [
    "Authenticate",
    "Authenticator",
    "EndpointAuthenticator",
    "FunctionAuthenticator",
    "Login",
    "TokenReader",
    "TokenRule",
    "User",
    "peer_of",
    "user_from_answer",
]
