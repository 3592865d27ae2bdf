<?php

declare(strict_types=1);

// Tells the realtime server who is behind a request: 200 {"id": "...", "exp": Unix seconds}, or 401.

namespace RealtimeDemo;

require __DIR__ . '/src/bootstrap.php';

Request::allow('GET', 'HEAD');
$user = Login::fromEnvironment()->user();
if ($user === null) {
    throw new HttpError(401, 'Nobody is logged in.');
}
Response::json(200, ['id' => $user->id, 'exp' => $user->expires]);
