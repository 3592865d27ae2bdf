<?php

declare(strict_types=1);

// POST: forgets who this browser was.

namespace RealtimeDemo;

require __DIR__ . '/src/bootstrap.php';

Request::allow('POST');
if (Request::isFromElsewhere()) {
    throw new HttpError(403, 'Only this site\'s own pages may log you out.');
}
Login::end();
Csrf::end();
Response::json(200, ['status' => 'logged out']);
