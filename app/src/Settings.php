<?php

declare(strict_types=1);

namespace RealtimeDemo;

/** What the environment tells the application. No secret has a default: an invented one would be public. */
final class Settings
{
    private const MIN_KEY_BYTES = 32;
    private const BROADCAST_URL = 'http://localhost:8080/internal/broadcast';

    /** The key that signs logins: at least 32 bytes, as RFC 7518 section 3.2 asks for HS256. */
    public static function jwtSecret(): string
    {
        $secret = self::required('JWT_SECRET_KEY');
        if (strlen($secret) < self::MIN_KEY_BYTES) {
            throw new SettingError(sprintf(
                'JWT_SECRET_KEY is too short: %d bytes, at least %d are needed. %s',
                strlen($secret),
                self::MIN_KEY_BYTES,
                self::advice('JWT_SECRET_KEY'),
            ));
        }
        return $secret;
    }

    /** What the server's broadcast_secret is set to. */
    public static function broadcastSecret(): string
    {
        $secret = self::required('BROADCAST_SECRET_KEY');
        if (preg_match('/^[!-~]([ -~]*[!-~])?$/D', $secret) !== 1) {
            throw new SettingError(
                'BROADCAST_SECRET_KEY must be printable ASCII without spaces around it: it travels in a header.'
            );
        }
        return $secret;
    }

    /** Where messages are published. */
    public static function broadcastUrl(): string
    {
        $url = self::read('BROADCAST_URL') ?: self::BROADCAST_URL;
        if (preg_match('~^https?://[^/\s]+~i', $url) !== 1) {
            throw new SettingError('BROADCAST_URL must be an http or https address.');
        }
        return $url;
    }

    private static function required(string $name): string
    {
        $value = self::read($name);
        if ($value === '') {
            throw new SettingError("$name is not set. " . self::advice($name));
        }
        return $value;
    }

    private static function read(string $name): string
    {
        $value = getenv($name);
        return is_string($value) ? $value : '';
    }

    private static function advice(string $name): string
    {
        return "Set the environment variable, for example: export $name=\$(openssl rand -hex 32)";
    }
}
