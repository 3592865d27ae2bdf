<?php

declare(strict_types=1);

namespace RealtimeDemo;

/** Answers, each with the headers that keep a page's visitor safe. */
final class Response
{
    private const HEADERS = [
        'Cache-Control' => 'no-store',
        'Content-Security-Policy' => "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            . "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        'Cross-Origin-Opener-Policy' => 'same-origin',
        'Cross-Origin-Resource-Policy' => 'same-origin',
        'Permissions-Policy' => 'camera=(), geolocation=(), microphone=()',
        'Referrer-Policy' => 'same-origin',
        'X-Content-Type-Options' => 'nosniff',
        'X-Frame-Options' => 'DENY',
    ];

    /** @param array<string, mixed> $data */
    public static function json(int $status, array $data, array $headers = []): void
    {
        self::head($status, 'application/json', $headers);
        echo json_encode($data, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE), "\n";
    }

    public static function text(int $status, string $text, array $headers = []): void
    {
        self::head($status, 'text/plain; charset=utf-8', $headers);
        echo $text, "\n";
    }

    public static function html(int $status, string $html): void
    {
        self::head($status, 'text/html; charset=utf-8');
        echo $html;
    }

    /** A refusal in the form that was asked for: {"error": "..."} or plain text. */
    public static function failure(int $status, string $message, array $headers = []): void
    {
        if (Request::wantsJson()) {
            self::json($status, ['error' => $message], $headers);
        } else {
            self::text($status, $message, $headers);
        }
    }

    /** @param array<string, string> $headers */
    private static function head(int $status, string $type, array $headers = []): void
    {
        http_response_code($status);
        header_remove('X-Powered-By');
        $all = ['Content-Type' => $type, 'Vary' => 'Accept, Cookie'] + self::HEADERS + $headers;
        foreach ($all as $name => $value) {
            header("$name: $value");
        }
    }
}
