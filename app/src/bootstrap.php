<?php

declare(strict_types=1);

namespace RealtimeDemo;

// Every endpoint begins here: classes are found by name, and no error ever shows its insides.
// The folder is served as it is, so the files of src/ declare classes and do nothing on their own.

spl_autoload_register(static function (string $class): void {
    $name = substr($class, strlen(__NAMESPACE__) + 1);
    $file = __DIR__ . '/' . $name . '.php';
    if (str_starts_with($class, __NAMESPACE__ . '\\') && is_file($file)) {
        require $file;
    }
});

ini_set('display_errors', '0');
set_exception_handler(ErrorAnswer::send(...));
