<?php

declare(strict_types=1);

namespace RealtimeDemo;

/** What all pages share: the document around them, and the one way text gets into it. */
final class Layout
{
    /** Text for any place in HTML, quoted attributes included. */
    public static function escape(string $text): string
    {
        return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE | ENT_HTML5, 'UTF-8');
    }

    /** @param string $body trusted HTML */
    public static function page(string $title, string $body, string $script = ''): string
    {
        $title = self::escape($title);
        $script = $script === '' ? '' : '<script type="module" src="' . self::escape($script) . '"></script>';
        return <<<HTML
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <meta name="description" content="Channels, messages and a WebSocket: a demonstration.">
            <title>$title</title>
            <link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
            <link rel="stylesheet" href="/assets/base.css">
            <link rel="stylesheet" href="/assets/desk.css">
            <link rel="stylesheet" href="/assets/app.css">
            $script
            </head>
            $body
            </html>

            HTML;
    }
}
