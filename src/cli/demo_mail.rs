//! The mail of the demo: what real mail is like.

/// Octets of the attachment before base64: about 3 MiB afterwards.
const ATTACHMENT_OCTETS: usize = 2_360_000;

/// Characters of base64 in a line (RFC 2045 s6.8).
const BASE64_LINE: usize = 76;

/// A handful of messages, line ends LF as most programs deliver them.
pub(super) fn messages() -> Vec<Vec<u8>> {
    vec![
        WELCOME.into(),
        UTF8.into(),
        DOTS.into(),
        HTML.into(),
        long_subject().into_bytes(),
        attachment().into_bytes(),
    ]
}

const WELCOME: &str = "\
From: Postmaster <postmaster@roost.example>
To: Demo <demo@roost.example>
Subject: Welcome to the roost
Date: Mon, 23 Nov 2026 08:00:00 +0000
Message-ID: <welcome@roost.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=us-ascii

Hello,

this maildrop holds a few messages to fetch. Whatever your client marks as
deleted goes when it quits, and not before.

-- 
Postmaster
";

const UTF8: &str = "\
From: =?UTF-8?Q?J=C3=BCrgen_Gr=C3=B6=C3=9Fmann?= <juergen@vogel.example>
To: demo@roost.example
Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe_vom_Starenkasten?=
Date: Mon, 23 Nov 2026 08:12:41 +0100
Message-ID: <20261123071241.3@vogel.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Hallo zusammen,

die Stare sind zurück: fünf Jungvögel, alle wohlauf.
Žluťoučký kůň, ελληνικά, русский, 日本語, 🐦 -- all of it as octets, not encoded.

Grüße
Jürgen
";

const DOTS: &str = "\
From: Ada <ada@engine.example>
To: demo@roost.example
Subject: Lines that begin with dots
Date: Mon, 23 Nov 2026 09:30:00 +0000
Message-ID: <dots@engine.example>

.
..
...
.profile has changed; see below:
.set noautoindent
. 
.
A client that shows the single dots above has undone the transparency of
RFC 1939 correctly.
";

const HTML: &str = "\
From: \"The Daily Perch\" <news@perch.example>
To: demo@roost.example
Subject: Your weekly digest
Date: Mon, 23 Nov 2026 10:15:00 -0500
Message-ID: <digest.47@perch.example>
List-Unsubscribe: <mailto:leave@perch.example>
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=\"=_perch_47\"

This is a message in several parts.
--=_perch_47
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Three sparrows, one wire =E2=80=93 and what they talked about.

--=_perch_47
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<!DOCTYPE html>
<html><body style=3D\"font-family: sans-serif\">
<h1>Three sparrows, one wire</h1>
<p>=E2=80=A6 and <a href=3D\"https://perch.example/47\">what they talked about</a>.</p>
</body></html>

--=_perch_47--
";

/// A subject that is folded over many lines.
fn long_subject() -> String {
    let folded: String = (1..=20)
        .map(|part| format!("\n part {part} of a subject that goes on and on"))
        .collect();
    format!(
        "From: Tabitha <tabitha@long.example>\nTo: demo@roost.example\n\
         Subject: A long story:{folded}\nDate: Mon, 23 Nov 2026 11:00:00 +0000\n\
         Message-ID: <long@long.example>\n\nThe body is short.\n"
    )
}

/// A message with a large attachment.
fn attachment() -> String {
    let mut octet = 0u32;
    let octets: Vec<u8> = (0..ATTACHMENT_OCTETS)
        .map(|_| {
            // Any octets will do, as long as they are the same each time (Knuth's constants).
            octet = octet.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (octet >> 24) as u8
        })
        .collect();
    let encoded = openssl::base64::encode_block(&octets);
    let mut message = String::with_capacity(encoded.len() + encoded.len() / BASE64_LINE + 1024);
    message.push_str(
        "From: Camera <trap7@meadow.example>\nTo: demo@roost.example\n\
         Subject: Picture of the day\nDate: Mon, 23 Nov 2026 12:00:00 +0000\n\
         Message-ID: <pic.1@meadow.example>\nMIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=\"=_meadow\"\n\n--=_meadow\n\
         Content-Type: text/plain\n\nToday's picture is attached.\n\n--=_meadow\n\
         Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\
         Content-Disposition: attachment; filename=\"meadow.raw\"\n\n",
    );
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        // Base64 is ASCII: every octet is a character.
        let (line, behind) = rest.split_at(rest.len().min(BASE64_LINE));
        message.push_str(line);
        message.push('\n');
        rest = behind;
    }
    message.push_str("\n--=_meadow--\n");
    message
}
