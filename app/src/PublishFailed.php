<?php

declare(strict_types=1);

namespace RealtimeDemo;

/** A message that reached nobody; the text is the reason, fit to be shown. */
final class PublishFailed extends \RuntimeException
{
}
