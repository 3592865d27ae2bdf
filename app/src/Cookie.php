<?php

declare(strict_types=1);

namespace RealtimeDemo;

/** Cookies as this application sets them: not for scripts, not for other sites, encrypted where it can be. */
final class Cookie
{
    public static function read(string $name): string
    {
        $value = $_COOKIE[$name] ?? '';
        return is_string($value) ? $value : '';
    }

    /** @param int $expires Unix seconds */
    public static function set(string $name, #[\SensitiveParameter] string $value, int $expires): void
    {
        setcookie($name, $value, ['expires' => $expires] + self::options());
    }

    public static function clear(string $name): void
    {
        setcookie($name, '', ['expires' => 1] + self::options());
    }

    /** @return array{path: string, httponly: bool, samesite: 'Strict', secure: bool} */
    private static function options(): array
    {
        return ['path' => '/', 'httponly' => true, 'samesite' => 'Strict', 'secure' => Request::isHttps()];
    }
}
