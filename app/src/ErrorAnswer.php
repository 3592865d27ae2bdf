<?php

declare(strict_types=1);

namespace RealtimeDemo;

/** The last resort: turns whatever was thrown into a clear answer, and our own bugs into a log line. */
final class ErrorAnswer
{
    public static function send(\Throwable $error): void
    {
        if ($error instanceof HttpError) {
            Response::failure($error->status, $error->getMessage(), $error->headers);
        } elseif ($error instanceof SettingError) {
            error_log($error->getMessage());
            Response::text(500, $error->getMessage());
        } else {
            error_log((string) $error);
            Response::failure(500, 'Something went wrong here. The server\'s log says what.');
        }
    }
}
