--[[
coi-changes.lua: what clients do to messages and mailboxes. Brought in by coi-report.lua, of which it has
the means to report.
]]

local write, list, quote = ...
local on = {} -- by what Dovecot calls the event

-- Chat waits in INBOX for \Seen (message-filter "seen"); no other mailbox matters. The event does
-- not say which keywords the message has, nor, where somebody else has read it (coi-shared.lua), whether the
-- owner sees that \Seen.
function on.MessageRead(ctx, event)
  if event.mailbox == 'INBOX' then write(ctx, event, ctx.shared and ',"shared":true') end
end

-- A STORE that replaces all flags takes $Chat away, which its client may never have heard of; one that
-- takes $Chat away on purpose changes nothing else. Dovecot tells of one message after the other, and of
-- what was cleared first.
function on.FlagsClear(ctx, event)
  if event.mailbox ~= 'INBOX' then return end
  for _, keyword in ipairs(event.keywords or {}) do
    if keyword:lower() == '$chat' then
      local replaced = next(event.flags or {})
      ctx.cleared = not replaced and event.uid
      return write(ctx, event, ',"keywords":' .. list(event.keywords)
        .. (replaced and ',"replaced":true' or ''))
    end
  end
end

function on.FlagsSet(ctx, event)
  if event.mailbox ~= 'INBOX' or ctx.cleared ~= event.uid then return end
  -- Dovecot tells of nothing as well, whenever keywords change.
  if next(event.flags or {}) or next(event.keywords or {}) then
    event.name = 'FlagsClear'
    write(ctx, event, ',"keywords":["$Chat"],"replaced":true')
  end
end

-- Contacts says who is blocked; what its mailbox is called in full is the sidecar's to know. One word
-- a transaction is enough.
function on.MessageAppend(ctx, event)
  if ctx.contacts or event.mailbox:sub(-8) ~= 'Contacts' then return end
  ctx.contacts = true
  write(ctx, { name = event.name, mailbox = event.mailbox })
end
on.MessageExpunge = on.MessageAppend

-- INBOX comes of its own at a user's first mail.
function on.MailboxCreate(ctx, event)
  if event.mailbox ~= 'INBOX' then write(ctx, event) end
end

on.MailboxDelete = write

function on.MailboxRename(ctx, event)
  write(ctx, event, ',"mailbox_old":' .. quote(event.mailbox_old))
end

return on
