<?php

declare(strict_types=1);

namespace RealtimeDemo;

/** Base64 for URLs and cookies, without padding (RFC 7515 appendix C). */
final class Base64Url
{
    public static function encode(string $bytes): string
    {
        return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
    }

    /** Null unless the text is exactly what encode() would write: one spelling for one value. */
    public static function decode(string $text): ?string
    {
        $bytes = base64_decode(strtr($text, '-_', '+/'), true);
        return $bytes !== false && self::encode($bytes) === $text ? $bytes : null;
    }
}
