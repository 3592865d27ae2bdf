<?php

declare(strict_types=1);

namespace RealtimeDemo;

/** A JSON Web Token that proves nothing: forged, expired, or not one of ours. */
final class InvalidToken extends \RuntimeException
{
}
