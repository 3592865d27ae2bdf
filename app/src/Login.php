<?php

declare(strict_types=1);

namespace RealtimeDemo;

/** Who this visitor is: a signed token in the cookie AUTH_TOKEN, and nothing kept on the server. */
final class Login
{
    public const COOKIE = 'AUTH_TOKEN';
    public const LIFETIME_SECONDS = 8 * 3600;

    public function __construct(private readonly Jwt $jwt)
    {
    }

    public static function fromEnvironment(): self
    {
        return new self(new Jwt(Settings::jwtSecret()));
    }

    /** The person behind this request; null for a stranger, a forged cookie or an ended login. */
    public function user(): ?User
    {
        try {
            $claims = $this->jwt->decode(Cookie::read(self::COOKIE));
        } catch (InvalidToken) {
            return null;
        }
        $id = $claims['sub'] ?? null;
        return UserId::isValid($id) ? new User($id, (int) $claims['exp']) : null;
    }

    public function start(string $id): User
    {
        $user = new User($id, time() + self::LIFETIME_SECONDS);
        $token = $this->jwt->encode(['sub' => $id, 'iat' => time(), 'exp' => $user->expires]);
        Cookie::set(self::COOKIE, $token, $user->expires);
        return $user;
    }

    public static function end(): void
    {
        Cookie::clear(self::COOKIE);
    }
}
