<?php

declare(strict_types=1);

namespace RealtimeDemo;

/** The page of the demonstration: a stranger is welcomed, a known person gets the desk. */
final class HomePage
{
    /** @param string $token the form token; empty for a stranger */
    public function __construct(private readonly ?User $user, private readonly string $token)
    {
    }

    public function render(): string
    {
        $user = Layout::escape($this->user->id ?? '');
        $token = Layout::escape($this->token);
        return Layout::page('Realtime demo', <<<HTML
            <body data-user="$user" data-token="$token">
            <a class="skip" href="#main">Skip to the content</a>
            <div class="top">
            {$this->header()}
            <div class="notices" id="notices"></div>
            </div>
            <main id="main" tabindex="-1">
            <noscript><p class="notice is-bad">This page needs JavaScript; the
            <a href="/send.php">form for sending</a> does not.</p></noscript>
            {$this->welcome()}
            {$this->desk()}
            </main>
            {$this->footer()}
            </body>
            HTML, '/assets/app.js');
    }

    private function hiddenFromStrangers(): string
    {
        return $this->user === null ? ' hidden' : '';
    }

    private function header(): string
    {
        $user = Layout::escape($this->user->id ?? '');
        return <<<HTML
            <header class="bar">
            <a class="brand" href="/"><img src="/assets/icon.svg" alt="" width="28" height="28"> Realtime demo</a>
            <p class="state" id="state" role="status" data-state="idle"><span id="state-text">Not connected</span></p>
            <button class="link" id="retry" type="button" hidden>Connect now</button>
            <form class="who" id="logout"{$this->hiddenFromStrangers()}>
            <span class="who-name" id="who" title="Logged in as $user">$user</span>
            <button class="button is-quiet" type="submit">Log out</button>
            </form>
            </header>
            HTML;
    }

    private function welcome(): string
    {
        $hidden = $this->user === null ? '' : ' hidden';
        $maxLength = UserId::MAX_CHARACTERS;
        return <<<HTML
            <section class="welcome" id="welcome"$hidden>
            <div class="pitch">
            <h1>Say it once.<br>Everyone hears it <em>now</em>.</h1>
            <ol class="steps">
            <li><strong>Log in</strong> under any name you like.</li>
            <li><strong>Subscribe</strong> to a channel, or to several.</li>
            <li><strong>Send</strong> from a second window, a form or a shell, and watch it arrive.</li>
            <li><strong>Close the lid</strong>, come back, and nothing is missing.</li>
            </ol>
            </div>
            <form class="card stack" id="login" novalidate>
            <h2>Log in</h2>
            <div class="field">
            <label for="user-id">Your name</label>
            <input id="user-id" name="userId" maxlength="$maxLength" autocomplete="username" autocapitalize="none"
             spellcheck="false" placeholder="for example: ada" aria-describedby="user-error user-hint">
            <p class="problem" id="user-error" role="alert"></p>
            </div>
            <button class="button" type="submit">Log in</button>
            <p class="hint" id="user-hint">This is a demonstration <strong>without passwords</strong>: whoever types
            a name has it. Send nothing here that you would not write on a wall.</p>
            </form>
            </section>
            HTML;
    }

    private function desk(): string
    {
        return <<<HTML
            <div class="desk" id="desk"{$this->hiddenFromStrangers()}>
            <h1 class="unseen">Channels and messages</h1>
            {$this->channels()}
            {$this->log()}
            {$this->send()}
            </div>
            <datalist id="known-channels"></datalist>
            HTML;
    }

    private function channels(): string
    {
        $user = Layout::escape($this->user->id ?? '');
        return <<<HTML
            <section class="card channels-card" aria-labelledby="channels-title">
            <h2 id="channels-title">Channels</h2>
            <form class="row" id="subscribe" novalidate>
            <div class="field grow">
            <label for="subscribe-channel">Channel to listen to</label>
            <input id="subscribe-channel" name="channel" maxlength="200" autocomplete="off" autocapitalize="none"
             spellcheck="false" placeholder="news" aria-describedby="subscribe-error">
            </div>
            <button class="button" type="submit">Subscribe</button>
            </form>
            <p class="problem" id="subscribe-error" role="alert"></p>
            <p class="unseen" id="announcement" role="status"></p>
            <ul class="channels" id="channels" aria-labelledby="channels-title"></ul>
            <div class="empty" id="no-channels">
            <p>You listen to nothing yet. Try one of these:</p>
            <ul class="tries">
            <li><button class="chip" type="button" data-channel="chat">chat</button>
            <span>where everybody talks</span></li>
            <li><button class="chip" type="button" data-channel="news">news</button>
            <span>which this site's PHP publishes</span></li>
            <li><button class="chip" type="button" data-channel="user." data-own id="own-channel">user.$user</button>
            <span>for you alone, and others write to it</span></li>
            <li><button class="chip" type="button" data-channel="private.audit">private.audit</button>
            <span>for nobody, as you will see</span></li>
            </ul>
            </div>
            </section>
            HTML;
    }

    private function send(): string
    {
        $field = Csrf::FIELD;
        $token = Layout::escape($this->token);
        return <<<HTML
            <section class="card send-card" aria-labelledby="send-title">
            <h2 id="send-title">Send</h2>
            <form class="stack" id="send" action="/send.php" method="post" novalidate>
            <input type="hidden" name="$field" value="$token">
            <div class="field">
            <label for="send-channel">Channel to send to</label>
            <input id="send-channel" name="channel" maxlength="200" list="known-channels" autocomplete="off"
             autocapitalize="none" spellcheck="false" placeholder="news" aria-describedby="send-error">
            </div>
            <div class="field">
            <label for="send-message">Message</label>
            <textarea id="send-message" name="message" rows="2" placeholder="Plain text, or JSON"
             aria-describedby="send-error send-hint"></textarea>
            </div>
            <p class="problem" id="send-error" role="alert"></p>
            <div class="row">
            <button class="button" type="submit">Send</button>
            <p class="hint" id="sent" role="status"></p>
            <p class="hint" id="send-hint"><kbd>Ctrl</kbd> + <kbd>Enter</kbd></p>
            </div>
            </form>
            </section>
            HTML;
    }

    private function log(): string
    {
        return <<<HTML
            <section class="card log-card" aria-labelledby="log-title">
            <div class="log-head">
            <h2 id="log-title">Messages</h2>
            <span class="count" id="count">0</span>
            <button class="button is-quiet" id="clear" type="button">Clear</button>
            </div>
            <div class="here" id="here" hidden>
            <h3 id="here-title">Here now</h3>
            <ul class="people" id="people" aria-labelledby="here-title"></ul>
            </div>
            <div class="scroll" id="log" role="log" aria-live="polite" aria-relevant="additions"
             aria-labelledby="log-title" tabindex="0">
            <ol class="messages" id="messages"></ol>
            </div>
            <div class="empty is-roomy" id="no-messages">
            <img src="/assets/icon.svg" alt="" width="56" height="56">
            <p>Nothing has arrived yet.</p>
            <p>Subscribe to a channel, then send to it from here or from
            <a href="/" target="_blank" rel="noopener">a second window</a>.</p>
            </div>
            </section>
            HTML;
    }

    private function footer(): string
    {
        return <<<HTML
            <footer class="foot">
            <p>A demonstration without passwords: names prove nothing here.</p>
            <p>More ways to send: <a href="/send.php">a plain form</a>, or
            <code>php send_cli.php news "Hello"</code></p>
            </footer>
            HTML;
    }
}
