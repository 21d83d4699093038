// Times that are still to come, counting down.

function words(seconds) {
  if (seconds <= 0) return "over";
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  if (hours) return `${hours} h ${minutes} min left`;
  if (minutes >= 5) return `${minutes} min left`;
  return `${minutes}:${String(Math.floor(seconds % 60)).padStart(2, "0")} left`;
}

/** Keep these <time datetime> elements saying how much is left; their datetime may change meanwhile. */
export function countDown(times) {
  if (!times.length) return;
  const show = () => {
    for (const time of times) {
      const left = (Date.parse(time.dateTime) - Date.now()) / 1000;
      const text = words(left);
      if (time.textContent !== text) time.textContent = text;
      time.classList.toggle("soon", left < 120);
    }
  };
  show();
  setInterval(show, 1000);
}
