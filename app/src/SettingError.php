<?php

declare(strict_types=1);

namespace RealtimeDemo;

/** An environment variable that is missing or unusable; the message names it and says what to do. */
final class SettingError extends \RuntimeException
{
}
