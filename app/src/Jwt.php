<?php

declare(strict_types=1);

namespace RealtimeDemo;

/**
 * Signs and checks JSON Web Tokens (RFC 7519) with HMAC-SHA256, and with nothing else.
 *
 * The algorithm is ours to choose, never the token's: a header that says anything but HS256 is refused
 * before its signature is looked at (RFC 8725 section 3.1).
 */
final class Jwt
{
    private const MAX_BYTES = 4096;
    private const HEADER = ['typ' => 'JWT', 'alg' => 'HS256'];

    public function __construct(#[\SensitiveParameter] private readonly string $secret)
    {
        if (strlen($secret) < 32) {
            throw new \InvalidArgumentException('An HS256 key has at least 32 bytes (RFC 7518 section 3.2).');
        }
    }

    /** @param array<string, mixed> $claims */
    public function encode(array $claims): string
    {
        $signed = self::part(self::HEADER) . '.' . self::part($claims);
        return $signed . '.' . Base64Url::encode($this->signature($signed));
    }

    /**
     * The claims of a token that is genuine and in force.
     *
     * @param int|null $now Unix seconds; the clock's if null
     * @return array<string, mixed>
     * @throws InvalidToken
     */
    public function decode(#[\SensitiveParameter] string $token, ?int $now = null): array
    {
        $parts = explode('.', $token);
        if (strlen($token) > self::MAX_BYTES || count($parts) !== 3) {
            throw new InvalidToken('not a token');
        }
        $this->checkHeader(self::object($parts[0]));
        $this->checkSignature("$parts[0].$parts[1]", $parts[2]);
        $claims = self::object($parts[1]);
        $this->checkTimes($claims, $now ?? time());
        return $claims;
    }

    /** @param array<string, mixed> $header */
    private function checkHeader(array $header): void
    {
        if (($header['alg'] ?? null) !== 'HS256') {
            throw new InvalidToken('not signed with HS256');
        }
        $type = $header['typ'] ?? 'JWT';
        if (isset($header['crit']) || !is_string($type) || strtoupper($type) !== 'JWT') {
            throw new InvalidToken('not a token of a known kind');
        }
    }

    private function checkSignature(string $signed, string $signature): void
    {
        $given = Base64Url::decode($signature);
        if ($given === null || !hash_equals($this->signature($signed), $given)) {
            throw new InvalidToken('wrong signature');
        }
    }

    /**
     * RFC 7519 sections 4.1.4 to 4.1.6. A token that never ends is refused.
     *
     * @param array<string, mixed> $claims
     */
    private function checkTimes(array $claims, int $now): void
    {
        if (self::time($claims, 'exp') <= $now) {
            throw new InvalidToken('expired');
        }
        foreach (['nbf', 'iat'] as $name) {
            if (array_key_exists($name, $claims) && self::time($claims, $name) > $now) {
                throw new InvalidToken('not valid yet');
            }
        }
    }

    /** @param array<string, mixed> $claims */
    private static function time(array $claims, string $name): int|float
    {
        $value = $claims[$name] ?? null;
        return is_int($value) || is_float($value) ? $value : throw new InvalidToken("no usable $name");
    }

    private function signature(string $signed): string
    {
        return hash_hmac('sha256', $signed, $this->secret, true);
    }

    /** @param array<string, mixed> $value */
    private static function part(array $value): string
    {
        return Base64Url::encode(json_encode($value, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES));
    }

    /** @return array<string, mixed> */
    private static function object(string $part): array
    {
        $text = Base64Url::decode($part) ?? '';
        $value = json_decode($text, true, 16);
        // An empty array is what an empty object looks like; a list is no set of claims.
        if (!str_starts_with(ltrim($text), '{') || !is_array($value)) {
            throw new InvalidToken('not a token');
        }
        return $value;
    }
}
