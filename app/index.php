<?php

declare(strict_types=1);

// The page. The server also hands every unknown address to this file, which then says that it is unknown.

namespace RealtimeDemo;

require __DIR__ . '/src/bootstrap.php';

if (!in_array(Request::path(), ['/', '/index.php'], true)) {
    throw new HttpError(404, 'There is nothing at this address.');
}
Request::allow('GET', 'HEAD');
$user = Login::fromEnvironment()->user();
$token = $user === null ? '' : Csrf::fromEnvironment()->token($user);
Response::html(200, (new HomePage($user, $token))->render());
