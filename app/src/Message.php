<?php

declare(strict_types=1);

namespace RealtimeDemo;

/** What people type, as the JSON that the server's envelope carries. */
final class Message
{
    /**
     * JSON as it is, any other text as a JSON string.
     *
     * @throws HttpError 400 if the text is empty or is not UTF-8
     */
    public static function toJson(string $text): string
    {
        if (trim($text) === '') {
            throw new HttpError(400, 'There is no message to send.');
        }
        json_decode($text);
        if (json_last_error() === JSON_ERROR_NONE) {
            return $text;
        }
        $json = json_encode($text, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
        return is_string($json) ? $json : throw new HttpError(400, 'The message is not valid UTF-8 text.');
    }
}
