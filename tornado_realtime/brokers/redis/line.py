"""One connection to Redis as redis-py gives it, with exactly what the links need of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from tornado_realtime.brokers.redis.address import RedisAddress
from tornado_realtime.errors import BrokerError, BrokerUnavailableError

Command = tuple[bytes, ...]


class Line:
    """One connection, used by one reader and one writer at a time.

    Every failure of the connection is a BrokerUnavailableError whose reason may be logged: it holds
    no secret. Attribute ``heard`` is set by whatever arrives; the health check clears it.

    Args:
        address: Where to dial.
        dial_timeout: Seconds for one dial, login included.
        prelude: Commands that are answered before the connection is open; it opens whatever the answers are.

    Attributes:
        answers: To those; errors as ResponseError.
    """

    def __init__(self, address: RedisAddress, dial_timeout: float, prelude: tuple[Command, ...] = ()) -> None:
        self.answers: list[object] = []
        self._prelude = prelude
        self._address = address
        self._dial_timeout = dial_timeout
        # socket_timeout: None, because a reader waits as long as nobody publishes.
        self._connection = address.connection(socket_timeout=None, socket_connect_timeout=dial_timeout)
        self.heard = asyncio.Event()
        self._why: BrokerError | None = None

    async def open(self) -> None:
        """Dial, log in, and hear one answer: a stopped Redis still accepts connections.

        Raises:
            BrokerUnavailableError: That did not work within ``dial_timeout``.
        """
        try:
            async with asyncio.timeout(self._dial_timeout):
                await self._connection.connect()  # type: ignore[no-untyped-call]
                await self.write([(b"PING",)])
                answer = await self.read()
                if self._address.role and not isinstance(answer, ResponseError):
                    answer = await self._role()
                if self._prelude and not isinstance(answer, ResponseError):
                    await self.write(self._prelude)
                    self.answers = [await self.read() for _ in self._prelude]
        except (RedisError, OSError) as error:
            raise self._lost(error) from error
        if isinstance(answer, ResponseError):
            raise self._lost(answer) from answer

    async def _role(self) -> object:
        """Ask the server for its role: a replica takes publications, and tells nobody."""
        await self.write([(b"ROLE",)])
        match await self.read():
            case ResponseError() as error:
                return error
            case [bytes(role), *_] if role.decode() == self._address.role:
                return None
        raise BrokerUnavailableError("it is not the primary (any longer)")

    async def write(self, commands: Iterable[Command]) -> None:
        """Send ``commands`` in one go and wait until the socket has room for more.

        Raises:
            BrokerUnavailableError: The connection broke.
        """
        if not self._connection.is_connected:  # else redis-py would dial anew on its own
            raise BrokerUnavailableError("the connection is closed")
        packed = self._connection.pack_commands(commands)
        try:
            await self._connection.send_packed_command(packed, check_health=False)
        except (RedisError, OSError) as error:
            raise self._lost(error) from error

    async def read(self) -> object:
        """Wait for one reply; a reply that is an error is returned, as ResponseError.

        Raises:
            BrokerUnavailableError: The connection broke.
        """
        try:
            reply: object = await self._connection.read_response(disconnect_on_error=False)
        except ResponseError as error:
            reply = error
        except (RedisError, OSError) as error:
            raise self._lost(error) from error
        self.heard.set()
        return reply

    def abort(self, why: BrokerError | None = None) -> None:
        """Break the connection at once; reader and writer fail, because of ``why`` where it is given."""
        self._why = why
        # redis-py has no public way that does not wait until a stalled peer took what is buffered.
        writer: asyncio.StreamWriter | None = getattr(self._connection, "_writer", None)
        if writer is not None:
            writer.transport.abort()

    async def close(self) -> None:
        """Break the connection and let the loop release its socket."""
        self.abort()
        with suppress(RedisError, OSError):
            await self._connection.disconnect(nowait=True)
        await asyncio.sleep(0)

    def refusal(self, error: ResponseError) -> BrokerUnavailableError:
        """What a reply that is an error means to a publisher."""
        return self._translated(error)

    def _lost(self, error: Exception) -> BrokerUnavailableError:
        if self._why is not None:  # that is why there was an error
            return BrokerUnavailableError(str(self._why))
        return self._translated(error)

    def _translated(self, error: Exception) -> BrokerUnavailableError:
        if isinstance(error, TimeoutError) and not error.args:
            return BrokerUnavailableError(f"no answer within {self._dial_timeout:g} s")
        text = self._address.without_secrets(str(error).strip()) or type(error).__name__
        return BrokerUnavailableError(text)


def needs_a_person(error: BrokerUnavailableError) -> bool:
    """Whether waiting will not help: the login or a permission is wrong."""
    return isinstance(error.__cause__, (AuthenticationError, NoPermissionError))
