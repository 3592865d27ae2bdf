<?php

declare(strict_types=1);

namespace RealtimeDemo;

/** GET shows the form to anybody; POST publishes for whoever is logged in and sent our own form. */
final class SendForm
{
    // Twice the server's own default limit: what is a little too long is the server's to refuse, with its reason.
    private const MAX_BYTES = 2 * 1024 * 1024;
    private const FORM_TYPES = ['', 'application/x-www-form-urlencoded', 'multipart/form-data'];

    public function __construct(
        private readonly ?User $user,
        private readonly Csrf $csrf,
        private readonly Publisher $publisher,
    ) {
    }

    public static function fromEnvironment(): self
    {
        return new self(Login::fromEnvironment()->user(), Csrf::fromEnvironment(), Publisher::fromEnvironment());
    }

    public function answer(): void
    {
        Request::allow('GET', 'HEAD', 'POST');
        if (Request::method() === 'POST') {
            $this->send();
        } elseif (Request::wantsJson()) {
            Response::json(200, ['id' => $this->user?->id] + $this->fields());
        } else {
            Response::html(200, $this->page(trim(self::query('channel')), '')->render());
        }
    }

    private function send(): void
    {
        Request::limit(self::MAX_BYTES);
        $channel = trim(Request::field('channel'));
        $message = Request::field('message');
        try {
            $user = $this->judge($channel);
            $this->publisher->publish($channel, Message::toJson($message));
        } catch (HttpError $error) {
            $this->refuse($error->status, $error->getMessage(), $channel, $message);
            return;
        } catch (PublishFailed $error) {
            $this->refuse(502, $error->getMessage(), $channel, $message);
            return;
        }
        $this->succeed($user, $channel);
    }

    /** @throws HttpError 401, 415, 403 or 400, in this order */
    private function judge(string $channel): User
    {
        $user = $this->user ?? throw new HttpError(401, 'Log in first: only people with a name may send.');
        if (!in_array(Request::contentType(), self::FORM_TYPES, true)) {
            throw new HttpError(415, 'Send the fields channel, message and csrf_token as a form.');
        }
        if (!$this->csrf->isValid($user, $_POST[Csrf::FIELD] ?? null)) {
            throw new HttpError(403, 'This form was not made for you or is out of date. Please send it once more.');
        }
        return $channel !== '' ? $user : throw new HttpError(400, 'Which channel? The field is empty.');
    }

    private function succeed(User $user, string $channel): void
    {
        if (Request::wantsJson()) {
            Response::json(200, ['status' => 'sent', 'channel' => $channel, 'id' => $user->id]);
        } else {
            Response::html(200, $this->page($channel, '')->render("Sent to “{$channel}”."));
        }
    }

    /** What was typed stays in the form, so that nobody types it twice. */
    private function refuse(int $status, string $reason, string $channel, string $message): void
    {
        if (Request::wantsJson()) {
            Response::json($status, ['error' => $reason]);
        } else {
            Response::html($status, $this->page($channel, $message)->render($reason, 'bad'));
        }
    }

    private function page(string $channel, string $message): SendPage
    {
        return new SendPage($this->user, $this->fields()[Csrf::FIELD] ?? '', $channel, $message);
    }

    /** @return array<string, string> the hidden field, for whoever is logged in */
    private function fields(): array
    {
        return $this->user === null ? [] : [Csrf::FIELD => $this->csrf->token($this->user)];
    }

    private static function query(string $name): string
    {
        $value = $_GET[$name] ?? '';
        return is_string($value) ? $value : '';
    }
}
