<?php

declare(strict_types=1);

// The form that publishes a message: GET shows it, POST (channel, message, csrf_token) sends it.

namespace RealtimeDemo;

require __DIR__ . '/src/bootstrap.php';

SendForm::fromEnvironment()->answer();
