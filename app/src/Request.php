<?php

declare(strict_types=1);

namespace RealtimeDemo;

/** What the endpoints ask about the request they answer. */
final class Request
{
    public static function method(): string
    {
        return $_SERVER['REQUEST_METHOD'] ?? 'GET';
    }

    /** @throws HttpError 405 with Allow for any other method */
    public static function allow(string ...$methods): void
    {
        if (!in_array(self::method(), $methods, true)) {
            $allowed = implode(', ', $methods);
            throw new HttpError(405, "This address answers to $allowed only.", ['Allow' => $allowed]);
        }
    }

    /** The path asked for, without the query. */
    public static function path(): string
    {
        return explode('?', $_SERVER['REQUEST_URI'] ?? '/', 2)[0];
    }

    /** The media type of the body in lower case, without parameters; empty if none was named. */
    public static function contentType(): string
    {
        return strtolower(trim(explode(';', $_SERVER['CONTENT_TYPE'] ?? '', 2)[0]));
    }

    public static function isHttps(): bool
    {
        return !in_array(strtolower($_SERVER['HTTPS'] ?? ''), ['', 'off'], true);
    }

    public static function wantsJson(): bool
    {
        return str_contains(strtolower($_SERVER['HTTP_ACCEPT'] ?? ''), 'application/json');
    }

    /** True where the browser says that a page of another origin is behind this request. */
    public static function isFromElsewhere(): bool
    {
        return in_array($_SERVER['HTTP_SEC_FETCH_SITE'] ?? '', ['cross-site', 'same-site'], true);
    }

    /**
     * The body, if it has at most so many bytes.
     *
     * @throws HttpError 413
     */
    public static function body(int $maxBytes): string
    {
        self::limit($maxBytes);
        $body = file_get_contents('php://input', length: $maxBytes + 1);
        if ($body === false || strlen($body) > $maxBytes) {
            throw self::tooLarge($maxBytes);
        }
        return $body;
    }

    /** @throws HttpError 413 if the request announces more than so many bytes */
    public static function limit(int $maxBytes): void
    {
        if ((int) ($_SERVER['CONTENT_LENGTH'] ?? 0) > $maxBytes) {
            throw self::tooLarge($maxBytes);
        }
    }

    /** A form field as text; a missing field, or one sent as a list, is empty. */
    public static function field(string $name): string
    {
        $value = $_POST[$name] ?? '';
        return is_string($value) ? $value : '';
    }

    private static function tooLarge(int $maxBytes): HttpError
    {
        return new HttpError(413, sprintf('That is too much: at most %d KiB are taken here.', $maxBytes / 1024));
    }
}
