"""The roof: settings, urls, console, schedule and commands that need every app. It imports all, nobody imports it."""
