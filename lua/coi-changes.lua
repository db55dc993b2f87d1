--[[
coi-changes.lua: what clients do to messages and mailboxes. Brought in by coi.lua behind
coi-report.lua, of which it has the means to report; its functions take the place of those there.
]]

local matters, report = ...
local add, list, quote = report.add, report.list, report.quote

-- Chat waits in INBOX for \Seen (message-filter "seen"); no other mailbox matters. The event does
-- not say which keywords the message has.
function dovecot_lua_notify_event_message_read(ctx, event)
  if event.mailbox == 'INBOX' and matters(ctx) then add(ctx, event) end
end

-- A STORE that replaces flags takes $Chat away together with setting \Seen.
function dovecot_lua_notify_event_flags_clear(ctx, event)
  if event.mailbox ~= 'INBOX' or not matters(ctx) then return end
  for _, keyword in ipairs(event.keywords or {}) do
    if keyword:lower() == '$chat' then
      add(ctx, event, ',"keywords":' .. list(event.keywords))
      return
    end
  end
end

-- Contacts says who is blocked; what its mailbox is called in full is the sidecar's to know. One word
-- a transaction is enough.
local function contacts_changed(ctx, event)
  if ctx.contacts or event.mailbox:sub(-8) ~= 'Contacts' then return end
  ctx.contacts = true
  add(ctx, { name = event.name, mailbox = event.mailbox })
end
dovecot_lua_notify_event_message_append = contacts_changed
dovecot_lua_notify_event_message_expunge = contacts_changed

-- INBOX comes of its own at a user's first mail.
function dovecot_lua_notify_event_mailbox_create(ctx, event)
  if event.mailbox ~= 'INBOX' then add(ctx, event) end
end

function dovecot_lua_notify_event_mailbox_delete(ctx, event)
  add(ctx, event)
end

function dovecot_lua_notify_event_mailbox_rename(ctx, event)
  add(ctx, event, ',"mailbox_old":' .. quote(event.mailbox_old))
end
