<?php

declare(strict_types=1);

namespace RealtimeDemo;

/** Sending from a shell. Exit codes: 0 sent, 1 not sent, 2 called wrongly. */
final class CommandLine
{
    private const USAGE = <<<'TEXT'
        Usage: php send_cli.php CHANNEL MESSAGE

        Publishes MESSAGE (plain text, or JSON) to everybody who listens to CHANNEL.

        Environment:
          BROADCAST_SECRET_KEY  the server's broadcast_secret (needed)
          BROADCAST_URL         default http://localhost:8080/internal/broadcast

        TEXT;

    /** @param list<string> $arguments the script's name first */
    public static function main(array $arguments): int
    {
        $words = array_slice($arguments, 1);
        if (array_intersect($words, ['-h', '--help']) !== [] && count($words) === 1) {
            fwrite(STDOUT, self::USAGE);
            return 0;
        }
        if (count($words) !== 2 || trim($words[0]) === '') {
            fwrite(STDERR, self::USAGE);
            return 2;
        }
        return self::send(trim($words[0]), $words[1]);
    }

    private static function send(string $channel, string $message): int
    {
        try {
            Publisher::fromEnvironment()->publish($channel, Message::toJson($message));
        } catch (SettingError | HttpError | PublishFailed $error) {
            fwrite(STDERR, $error->getMessage() . "\n");
            return 1;
        }
        fwrite(STDOUT, "Sent to $channel.\n");
        return 0;
    }
}
