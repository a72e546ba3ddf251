"""A tab that keeps what is wrong with a page that needs no network."""


def quiet_tab(context):
    """Open a tab; return it and the list of its complaints, and of what it asks of a network."""
    tab, said = context.new_page(), []
    bad = ("error", "warning")
    tab.on("console", lambda message: message.type in bad and said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("requestfailed", lambda sent: said.append(f"failed: {sent.url}"))
    tab.on("request", lambda sent: sent.url.startswith("http") and said.append(sent.url))
    return tab, said
