<?php

declare(strict_types=1);

namespace RealtimeDemo;

/** A request that is refused: an HTTP status, and a sentence for the person who sent it. */
final class HttpError extends \RuntimeException
{
    /** @param array<string, string> $headers more response headers, for instance Allow */
    public function __construct(
        public readonly int $status,
        string $message,
        public readonly array $headers = [],
    ) {
        parent::__construct($message);
    }
}
