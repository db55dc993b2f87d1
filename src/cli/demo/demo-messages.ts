/** A chat message as a COI messenger sends it (coi-client-spec, "Messages"). */
export const chatMessage = (to: string): string => `From: Alice Angel <alice@example.org>
To: <${to}>
Subject: Chat: Hello
Date: Mon, 4 Dec 2023 15:51:37 +0100
Message-ID: <chat$1.${Date.now()}@example.org>
Chat-Version: 1.0
MIME-Version: 1.0
Content-Type: text/plain; charset=UTF-8

Hej! Ska vi äta lunch? 🥗
`;

/** An ordinary message. */
export const ordinaryMessage = (to: string): string => `From: "Jörg Müller" <joerg@example.net>
To: <${to}>
Subject: =?UTF-8?Q?Rechnung_f=C3=BCr_November?=
Date: Mon, 4 Dec 2023 16:02:11 +0100
Message-ID: <${Date.now()}@example.net>
MIME-Version: 1.0
Content-Type: text/plain; charset=UTF-8

Please find the invoice in your account.
`;
