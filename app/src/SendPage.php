<?php

declare(strict_types=1);

namespace RealtimeDemo;

/** The form that sends a message without any script. */
final class SendPage
{
    /** @param string $token empty for a stranger, who may look but not send */
    public function __construct(
        private readonly ?User $user,
        private readonly string $token,
        private readonly string $channel = '',
        private readonly string $message = '',
    ) {
    }

    /** @param string $kind how the notice looks: "good" or "bad" */
    public function render(string $notice = '', string $kind = 'good'): string
    {
        $role = $kind === 'bad' ? 'alert' : 'status';
        $text = Layout::escape($notice);
        $note = $notice === '' ? '' : "<p class=\"notice is-$kind\" role=\"$role\">$text</p>";
        return Layout::page('Send a message', <<<HTML
            <body class="plain">
            <main class="card narrow">
            <p class="eyebrow"><a href="/">← Realtime demo</a></p>
            <h1>Send a message</h1>
            <p class="muted">{$this->greeting()} This form works without scripts, too.</p>
            $note
            {$this->form()}
            </main>
            </body>
            HTML);
    }

    private function greeting(): string
    {
        if ($this->user === null) {
            return 'You are not logged in: <a href="/">log in first</a>, then send.';
        }
        return 'Logged in as <strong>' . Layout::escape($this->user->id) . '</strong>.';
    }

    private function form(): string
    {
        $field = Csrf::FIELD;
        $token = Layout::escape($this->token);
        $channel = Layout::escape($this->channel);
        $message = Layout::escape($this->message);
        return <<<HTML
            <form class="stack" action="/send.php" method="post">
            <input type="hidden" name="$field" value="$token">
            <div class="field">
            <label for="channel">Channel</label>
            <input id="channel" name="channel" value="$channel" required maxlength="200" autocomplete="off">
            </div>
            <div class="field">
            <label for="message">Message</label>
            <textarea id="message" name="message" rows="4" required aria-describedby="message-hint">
            $message</textarea>
            <p class="hint" id="message-hint">Plain text, or JSON.</p>
            </div>
            <button class="button" type="submit">Send</button>
            </form>
            HTML;
    }
}
