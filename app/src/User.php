<?php

declare(strict_types=1);

namespace RealtimeDemo;

/** Somebody who is logged in, until `expires` (Unix seconds). */
final class User
{
    public function __construct(public readonly string $id, public readonly int $expires)
    {
    }
}
