<?php

declare(strict_types=1);

namespace RealtimeDemo;

/**
 * Form tokens as a signed double-submit cookie: no session, nothing stored.
 *
 * A token is 32 random hexadecimal digits and an HMAC over them and the logged-in user. The form must repeat
 * the cookie, and both must be signed for this very user: a cookie planted by somebody else, even one taken
 * from their own login, is worthless.
 */
final class Csrf
{
    public const COOKIE = 'CSRF_TOKEN';
    public const FIELD = 'csrf_token';

    private readonly string $key;

    public function __construct(#[\SensitiveParameter] string $secret)
    {
        // A key of its own, so that no token of one kind can ever pass as one of the other.
        $this->key = hash_hkdf('sha256', $secret, 32, 'realtime-demo form token');
    }

    public static function fromEnvironment(): self
    {
        return new self(Settings::jwtSecret());
    }

    /** This user's token; the cookie's own if it is good, so that several open pages agree. */
    public function token(User $user): string
    {
        $token = Cookie::read(self::COOKIE);
        if (!$this->isSignedFor($user, $token)) {
            $token = $this->create($user);
        }
        Cookie::set(self::COOKIE, $token, $user->expires);
        return $token;
    }

    public function isValid(User $user, mixed $field): bool
    {
        $cookie = Cookie::read(self::COOKIE);
        return is_string($field) && hash_equals($cookie, $field) && $this->isSignedFor($user, $cookie);
    }

    public static function end(): void
    {
        Cookie::clear(self::COOKIE);
    }

    private function create(User $user): string
    {
        $random = bin2hex(random_bytes(16));
        return $random . '.' . $this->signature($random, $user);
    }

    private function isSignedFor(User $user, string $token): bool
    {
        [$random, $signature] = explode('.', $token, 2) + ['', ''];
        return strlen($random) === 32 && hash_equals($this->signature($random, $user), $signature);
    }

    private function signature(string $random, User $user): string
    {
        return hash_hmac('sha256', $random . $user->id, $this->key);
    }
}
