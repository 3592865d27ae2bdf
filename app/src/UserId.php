<?php

declare(strict_types=1);

namespace RealtimeDemo;

/** What a person may call themselves here. */
final class UserId
{
    public const MAX_CHARACTERS = 64;

    // Printable characters only: no controls, no line ends, nothing invisible that imitates another name.
    private const PATTERN = '/^(?!\s)[^\p{C}\p{Zl}\p{Zp}]{1,' . self::MAX_CHARACTERS . '}(?<!\s)$/uD';

    public static function isValid(mixed $id): bool
    {
        return is_string($id) && preg_match(self::PATTERN, $id) === 1;
    }
}
