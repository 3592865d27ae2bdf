<?php

declare(strict_types=1);

// POST {"userId": "..."} as application/json: logs in under that name. No passwords: this is a demonstration.

namespace RealtimeDemo;

require __DIR__ . '/src/bootstrap.php';

Request::allow('POST');
// Another site's form cannot send this type, and its script may not without our leave: the cross-site guard.
if (Request::contentType() !== 'application/json') {
    throw new HttpError(415, 'Send JSON, with Content-Type: application/json.', ['Accept' => 'application/json']);
}
$login = Login::fromEnvironment();
$data = json_decode(Request::body(maxBytes: 4096), true, 8);
$id = is_array($data) ? $data['userId'] ?? null : null;
if (!UserId::isValid($id)) {
    throw new HttpError(400, sprintf(
        'A name is 1 to %d printable characters, without spaces around it, as {"userId": "..."}.',
        UserId::MAX_CHARACTERS,
    ));
}
$user = $login->start($id);
Response::json(200, [
    'id' => $user->id,
    'exp' => $user->expires,
    Csrf::FIELD => Csrf::fromEnvironment()->token($user),
]);
