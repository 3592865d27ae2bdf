<?php

declare(strict_types=1);

namespace RealtimeDemo;

/** Hands messages to the server's publishing endpoint; plain PHP, no library. */
final class Publisher
{
    private const TIMEOUT_SECONDS = 3.0;
    private const MAX_REASON_BYTES = 500;

    public function __construct(
        private readonly string $url,
        #[\SensitiveParameter] private readonly string $secret,
    ) {
    }

    public static function fromEnvironment(): self
    {
        return new self(Settings::broadcastUrl(), Settings::broadcastSecret());
    }

    /**
     * Publish one message to whoever is subscribed to the channel now.
     *
     * @throws PublishFailed if the server cannot be reached, is too slow, or refuses
     */
    public function publish(string $channel, string $json): void
    {
        $stream = @fopen($this->url, 'rb', false, $this->request($channel, $json));
        if ($stream === false) {
            throw new PublishFailed('The realtime server could not be reached: ' . self::lastError());
        }
        $status = self::status($stream);
        $reason = (string) stream_get_contents($stream, self::MAX_REASON_BYTES);
        fclose($stream);
        if ($status < 200 || $status > 299) {
            throw new PublishFailed(self::refusal($status, trim($reason)));
        }
    }

    /** @return resource */
    private function request(string $channel, string $json)
    {
        return stream_context_create(['http' => [
            'method' => 'POST',
            'header' => [
                'Content-Type: application/x-www-form-urlencoded',
                'X-Broadcast-Secret: ' . $this->secret,
                'Connection: close',
            ],
            'content' => http_build_query(['channel' => $channel, 'message' => $json], '', '&'),
            'timeout' => self::TIMEOUT_SECONDS,
            'protocol_version' => 1.1,
            // A redirect would carry the secret elsewhere; a refusal's text is worth reading.
            'follow_location' => 0,
            'ignore_errors' => true,
        ]]);
    }

    /** @param resource $stream */
    private static function status($stream): int
    {
        $headers = stream_get_meta_data($stream)['wrapper_data'] ?? [];
        return preg_match('~^HTTP/\S+ (\d{3})~', $headers[0] ?? '', $found) === 1 ? (int) $found[1] : 0;
    }

    private static function refusal(int $status, string $reason): string
    {
        $hint = $status === 403 ? ' (is BROADCAST_SECRET_KEY the same here and there?)' : '';
        return "The realtime server refused it: status $status" . ($reason === '' ? '' : ", $reason") . $hint;
    }

    /** PHP's own reason, without the address and the function it puts in front. */
    private static function lastError(): string
    {
        $text = error_get_last()['message'] ?? 'no reason known';
        return rtrim((string) preg_replace('~^.*failed to open stream: ~is', '', $text), "! \n") . '.';
    }
}
