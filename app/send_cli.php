<?php

declare(strict_types=1);

// Publishes from the command line: php send_cli.php CHANNEL MESSAGE

namespace RealtimeDemo;

require __DIR__ . '/src/bootstrap.php';

if (PHP_SAPI !== 'cli') {
    throw new HttpError(404, 'There is nothing at this address.');
}
exit(CommandLine::main($argv));
